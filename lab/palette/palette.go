// Package palette has the colours of the charts.
package palette

import "image/color"

// Color is one of a palette that people with any colour vision tell apart (Okabe and Ito).
func Color(i int) color.Color {
	return []color.Color{
		color.RGBA{0, 114, 178, 255},
		color.RGBA{213, 94, 0, 255},
		color.RGBA{230, 159, 0, 255},
		color.RGBA{0, 158, 115, 255},
		color.RGBA{153, 153, 153, 255},
	}[i]
}
