package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/seed07fc1495/trusthub/lab/bench/peers"
)

// measureBuild measures the build of a ten-line program with each peer, where only the standard
// library is cached. It reports the processor time, the peak memory of the largest process, the
// size of the binary and the number of dependencies.
func measureBuild(_ *server, turns int) (*table, error) {
	work, err := os.MkdirTemp("", "bench-build")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	standard := filepath.Join(work, "standard")
	if _, err := goCommand(standard, "build", "std"); err != nil {
		return nil, err
	}
	names, _ := all(peers.All())
	medians, err := inTurns(names, min(turns, 3), func(name string) ([]float64, error) { return build(work, standard, name) })
	if err != nil {
		return nil, err
	}
	t := newTable("f", "A ten-line program, built cold with the standard library cached")
	t.add("processor seconds", names, medians, 0, "%.1f")
	t.add("peak memory, MB", names, medians, 1, "%.0f")
	t.add("binary, MB", names, medians, 2, "%.1f")
	t.add("packages", names, medians, 3, "%.0f")
	t.add("modules", names, medians, 4, "%.0f")
	return t, nil
}

func build(work, standard, name string) ([]float64, error) {
	cache, binary, program := filepath.Join(work, "cache"), filepath.Join(work, "binary"), "./bench/programs/"+name
	if err := os.RemoveAll(cache); err != nil {
		return nil, err
	}
	if out, err := exec.Command("cp", "-r", standard, cache).CombinedOutput(); err != nil { //nolint:gosec // G204: our own folders
		return nil, fmt.Errorf("cp: %w: %s", err, out)
	}
	state, err := goCommand(cache, "build", "-o", binary, program)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return nil, err
	}
	packages, modules, err := dependencies(program)
	if err != nil {
		return nil, err
	}
	const million = 1e6
	return []float64{
		(state.UserTime() + state.SystemTime()).Seconds(),
		float64(state.SysUsage().(*syscall.Rusage).Maxrss) * 1024 / million,
		float64(info.Size()) / million, float64(packages), float64(modules),
	}, nil
}

func goCommand(cache string, args ...string) (*os.ProcessState, error) {
	cmd := exec.Command("go", args...) //nolint:gosec // G204: the arguments are ours
	cmd.Env = append(os.Environ(), "GOCACHE="+cache)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return cmd.ProcessState, nil
}

// dependencies counts the packages and modules of a program, without the standard library and the
// program itself.
func dependencies(program string) (packages, modules int, err error) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", program).Output() //nolint:gosec // G204: ours
	if err != nil {
		return 0, 0, err
	}
	seen := make(map[string]bool)
	for module := range strings.Lines(string(out)) {
		if module = strings.TrimSpace(module); module != "" {
			packages++
			seen[module] = true
		}
	}
	return packages - 1, len(seen) - 1, nil
}
