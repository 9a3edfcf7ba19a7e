package simulation

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/seed07fc1495/trusthub/lab/palette"
)

// TestPicture draws two clients of an account whose limit changes, into the folder PICTURE.
func TestPicture(t *testing.T) {
	r := rows[len(rows)-2].withDefaults()
	if len(r.moves) == 0 {
		t.Fatal("not the row whose limit moves")
	}
	var inFlight, refused, limit plotter.XYs
	r.run(t, 1, func(a *account) {
		before := 0
		for second := 0.; second < r.lasts.Seconds(); second += .5 {
			time.Sleep(500 * ms)
			a.mu.Lock()
			inFlight = append(inFlight, plotter.XY{X: second, Y: float64(a.inFlight)})
			limit = append(limit, plotter.XY{X: second, Y: float64(a.slots)})
			refused = append(refused, plotter.XY{X: second, Y: float64(a.early + a.refused - before)})
			before = a.early + a.refused
			a.mu.Unlock()
		}
	})
	folder := os.Getenv("PICTURE")
	if folder == "" {
		folder = t.TempDir()
	}
	if err := draw(filepath.Join(folder, "limit.svg"), limit, inFlight, refused); err != nil {
		t.Fatal(err)
	}
}

func draw(file string, limit, inFlight, refused plotter.XYs) error {
	p := plot.New()
	p.Title.Text = "Two clients on an account whose limit moves"
	p.X.Label.Text = "seconds"
	p.Y.Min = 0
	for i, line := range []struct {
		name   string
		points plotter.XYs
	}{{"limit of the account", limit}, {"requests in flight", inFlight}, {"429s in half a second", refused}} {
		drawn, err := plotter.NewLine(line.points)
		if err != nil {
			return err
		}
		drawn.Color = palette.Color(i)
		drawn.Width = vg.Points(1.5)
		p.Add(drawn)
		p.Legend.Add(line.name, drawn)
	}
	p.Legend.Top, p.Legend.Padding = true, vg.Points(6)
	p.Y.Max = 70 // space for the legend
	return p.Save(9*vg.Inch, 4*vg.Inch, file)
}
