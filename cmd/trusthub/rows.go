package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/seed07fc1495/trusthub"
)

// row is one attribute of a profile, for people.
type row struct{ key, value string }

func rows(p *trusthub.CustomerProfile) []row {
	all := []row{
		{"SID", p.SID},
		{"Account SID", p.AccountSID},
		{"Policy SID", p.PolicySID},
		{"Friendly name", p.FriendlyName},
		{"Status", string(p.Status)},
		{"Valid until", formatTime(p.ValidUntil)},
		{"E-mail", p.Email},
		{"Status callback", p.StatusCallback},
		{"Created", formatTime(p.DateCreated)},
		{"Updated", formatTime(p.DateUpdated)},
		{"URL", p.URL},
	}
	for _, name := range slices.Sorted(maps.Keys(p.Links)) {
		all = append(all, row{"Link " + name, p.Links[name]})
	}
	for _, e := range p.Errors {
		all = append(all, row{"Rejected for", fmt.Sprintf("%d  https://www.twilio.com/docs/api/errors/%d", e.Code, e.Code)})
	}
	for i := range all {
		all[i] = row{printable(all[i].key), orDash(printable(all[i].value))}
	}
	return all
}

func formatTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

func orDash(s string) string { return cmp.Or(s, "-") }

// printable drops what could move the cursor or recolour a terminal: names are free text that others entered.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}
