// Command release tries a release without publishing it: it makes the versions from what git has staged, puts them into a module
// proxy of local files, and uses them from outside.
//
//	make release-check
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	sdk       = "github.com/seed07fc1495/trusthub"
	command   = sdk + "/cmd/trusthub"
	telemetry = sdk + "/trusthubotel"
	version   = "v0.1.0"
)

func main() {
	log.SetFlags(0)
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		log.Fatal(err)
	}
	err = try(work)
	_ = os.RemoveAll(work)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("go get and go install of", version, "work from outside")
}

func try(work string) error {
	tree, proxy := filepath.Join(work, "tree"), filepath.Join(work, "proxy")
	if err := run("..", nil, "git", "checkout-index", "--all", "--prefix="+tree+"/"); err != nil {
		return err
	}
	// What is found in the local files is used, and all else comes from where it always comes.
	goproxy, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		return err
	}
	environment := append(os.Environ(), "GOPROXY=file://"+proxy+","+strings.TrimSpace(string(goproxy)), "GONOSUMDB="+sdk+","+sdk+"/*",
		"GOBIN="+filepath.Join(work, "bin"), "GOMODCACHE="+filepath.Join(work, "cache"), "GOFLAGS=-mod=mod -modcacherw")
	if err := publish(proxy, sdk, tree); err != nil {
		return err
	}
	for _, path := range []string{telemetry, command} {
		folder := filepath.Join(tree, filepath.FromSlash(strings.TrimPrefix(path, sdk)))
		if err := run(folder, environment, "go", "mod", "edit", "-dropreplace="+sdk, "-require="+sdk+"@"+version); err != nil {
			return err
		}
		if err := run(folder, environment, "go", "mod", "tidy"); err != nil {
			return err
		}
		if err := publish(proxy, path, folder); err != nil {
			return err
		}
	}
	return use(filepath.Join(work, "outside"), environment, filepath.Join(tree, "internal", "readme", "fetch", "main.go"), filepath.Join(work, "bin", "trusthub"))
}

// use is what a newcomer does.
func use(outside string, environment []string, program, installed string) error {
	if err := os.MkdirAll(outside, 0o750); err != nil {
		return err
	}
	source, err := os.ReadFile(program) //nolint:gosec // G304: ours
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(outside, "main.go"), source, 0o600); err != nil { //nolint:gosec // G703: our own folder
		return err
	}
	for _, args := range [][]string{
		{"go", "mod", "init", "example.com/outside"},
		{"go", "get", sdk + "@" + version},
		{"go", "build", "-o", os.DevNull, "."},
		{"go", "get", telemetry + "@" + version},
		{"go", "build", telemetry},
		{"go", "install", command + "@" + version},
		{installed, "check", "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "--fake"},
	} {
		if err := run(outside, environment, args[0], args[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// publish writes a version as a module proxy serves it (https://go.dev/ref/mod#goproxy-protocol).
func publish(proxy, path, folder string) error {
	versions := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(versions, 0o750); err != nil {
		return err
	}
	gomod, err := os.ReadFile(filepath.Join(folder, "go.mod")) //nolint:gosec // G304: ours
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"list":            version + "\n",
		version + ".info": `{"Version":"` + version + `","Time":"2026-01-01T00:00:00Z"}`,
		version + ".mod":  string(gomod),
	} {
		if err := os.WriteFile(filepath.Join(versions, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(versions, version+".zip")) //nolint:gosec // G304: ours
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := zip.CreateFromDir(file, module.Version{Path: path, Version: version}, folder); err != nil {
		return err
	}
	return file.Close()
}

func run(folder string, environment []string, name string, args ...string) error {
	cmd := exec.Command(name, args...) //nolint:gosec // G204: ours
	cmd.Dir, cmd.Env = folder, environment
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
