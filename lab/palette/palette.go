// Package palette has the colors of the charts.
package palette

import "image/color"

// Color returns a color of the palette by Okabe and Ito, which is suitable for people with color
// blindness.
func Color(i int) color.Color {
	return []color.Color{
		color.RGBA{0, 114, 178, 255},
		color.RGBA{213, 94, 0, 255},
		color.RGBA{230, 159, 0, 255},
		color.RGBA{0, 158, 115, 255},
		color.RGBA{153, 153, 153, 255},
	}[i]
}
