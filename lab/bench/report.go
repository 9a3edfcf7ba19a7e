package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/seed07fc1495/trusthub/lab/palette"
)

// report has the measurements of a run.
type report struct {
	started time.Time
	turns   int
	tables  []*table
}

// table has a row for each value, and a column for each peer.
type table struct {
	id, title string
	names     []string
	rows      []tableRow
}

type tableRow struct {
	label, format string
	values        map[string]float64
}

func newTable(id, title string) *table {
	return &table{id: id, title: title + ", " + runtime.Version()}
}

// add adds a row with the i-th value of each peer.
func (t *table) add(label string, names []string, values map[string][]float64, i int, format string) {
	row := tableRow{label, format, make(map[string]float64)}
	for _, name := range names {
		row.values[name] = values[name][i]
	}
	t.names, t.rows = names, append(t.rows, row)
}

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "\n(%s) %s\n", t.id, t.title)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "\t%s\t\n", strings.Join(t.names, "\t"))
	for _, row := range t.rows {
		fmt.Fprintf(out, "%s\t%s\t\n", row.label, strings.Join(t.cells(row), "\t"))
	}
	_ = out.Flush()
}

func (t *table) markdown(w io.Writer) {
	fmt.Fprintf(w, "\n## (%s) %s\n\n| | %s |\n|--|%s\n", t.id, t.title, strings.Join(t.names, " | "), strings.Repeat("--:|", len(t.names)))
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s | %s |\n", row.label, strings.Join(t.cells(row), " | "))
	}
}

func (t *table) cells(row tableRow) (cells []string) {
	for _, name := range t.names {
		cells = append(cells, fmt.Sprintf(row.format, row.values[name]))
	}
	return cells
}

func (r *report) write(folder string) error {
	if folder == "" || len(r.tables) < len(measurements()) {
		return nil // reports are only written when complete
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	if err := r.draw(filepath.Join(folder, "results.svg")); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(folder, "RESULTS.md")) //nolint:gosec // G304: a flag of ours
	if err != nil {
		return err
	}
	fmt.Fprintf(file, "# Results\n\nMeasured on %s by `make bench` (%d turns, medians; builds and account limits: 3 turns; outages are counted once).\n",
		r.started.Format(time.DateOnly), r.turns)
	fmt.Fprintf(file, "Lower is better except for profiles/s, the share of the ideal and the slots used. trusthub is this SDK, floor is written by hand on net/http.\n"+
		"retryablehttp is the stock client of oapi-codegen over go-retryablehttp: 10 retries, waits of 250 ms to 30 s with full jitter.\n\n")
	fmt.Fprintf(file, "What users pay is in (b), (c) and (f). In (a) net/http recognizes the transport as one of its own, as in production: "+
		"with any other transport, the timeout\nof twilio-go's http.Client costs a goroutine and 2 to 6 µs for each request.\n\n")
	fmt.Fprintf(file, "- Machine: %s/%s, %s, %d cores\n- %s\n%s", runtime.GOOS, runtime.GOARCH, processorName(), runtime.NumCPU(), runtime.Version(), versions())
	for _, t := range r.tables {
		t.markdown(file)
	}
	fmt.Fprintf(file, "\n![chart](results.svg)\n")
	return file.Close()
}

// draw draws some values relative to those of twilio-go.
func (r *report) draw(file string) error {
	p := plot.New()
	p.Title.Text = "Relative to twilio-go, less is better"
	p.Y.Min = 0
	values := []struct {
		table, row int
		label      string
	}{{0, 0, "time, in memory"}, {0, 1, "allocations"}, {1, 1, "time, TLS"}, {5, 0, "build time"}, {5, 1, "build memory"}}
	var labels []string
	width := vg.Points(14)
	for i, name := range r.tables[0].names {
		var bars plotter.Values
		labels = labels[:0]
		for _, v := range values {
			row := r.tables[v.table].rows[v.row]
			bars, labels = append(bars, row.values[name]/row.values["twilio-go"]), append(labels, v.label)
		}
		chart, err := plotter.NewBarChart(bars, width)
		if err != nil {
			return err
		}
		chart.Color = palette.Color(i)
		chart.LineStyle.Width = 0
		chart.Offset = width * vg.Length(i-len(r.tables[0].names)/2)
		p.Add(chart)
		p.Legend.Add(name, chart)
	}
	p.Legend.Top, p.Legend.Padding = true, vg.Points(6)
	p.NominalX(labels...)
	p.X.Min, p.X.Max = -0.5, float64(len(labels))+0.5 // space for the legend
	return p.Save(9*vg.Inch, 4*vg.Inch, file)
}

func processorName() string {
	out, err := exec.Command("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2").Output()
	if err != nil || len(out) == 0 {
		return "unknown processor"
	}
	return strings.TrimSpace(string(out))
}

// versions lists the modules of the peers.
func versions() string {
	info, _ := debug.ReadBuildInfo()
	var list strings.Builder
	for _, dependency := range info.Deps {
		switch dependency.Path {
		case "github.com/twilio/twilio-go", "github.com/go-json-experiment/json", "github.com/oapi-codegen/runtime", "github.com/ogen-go/ogen",
			"github.com/hashicorp/go-retryablehttp":
			fmt.Fprintf(&list, "- %s %s\n", dependency.Path, dependency.Version)
		}
	}
	return list.String()
}
