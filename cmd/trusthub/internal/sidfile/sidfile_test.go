package sidfile_test

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/sidfile"
)

const (
	one = "BU0123456789abcdef0123456789abcdef"
	two = "BUABCDEF0123456789abcdef0123456789"
)

// wide encodes a text in UTF-16.
func wide(order binary.AppendByteOrder, text string) string {
	var all []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		all = order.AppendUint16(all, unit)
	}
	return string(all)
}

func open(r io.Reader, column string) (*sidfile.Reader, error) {
	if column == "" {
		return sidfile.NewList(r)
	}
	return sidfile.NewColumn(r, column)
}

func read(t *testing.T, content, column string) (sids, notes []string, err error) {
	t.Helper()
	reader, err := open(strings.NewReader(content), column)
	if err != nil {
		return nil, nil, err
	}
	err = reader.Each(func(sid string) bool { sids = append(sids, sid); return true })
	return sids, reader.Notes(), err
}

// A SID is yielded before the next line is written, for pipes of slow programs.
func TestSlowPipe(t *testing.T) {
	for column, lines := range map[string][]string{
		"":    {one + "\n", two + "\n"},
		"sid": {"name,sid\nAcme," + one + "\n", "Jürgen," + two + "\n"},
	} {
		r, w := io.Pipe()
		yielded := make(chan struct{})
		go func() {
			for _, line := range lines {
				_, _ = io.WriteString(w, line)
				<-yielded
			}
			_ = w.Close()
		}()
		reader, err := open(r, column)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = reader.Each(func(sid string) bool {
			got = append(got, sid)
			yielded <- struct{}{}
			return true
		})
		if err != nil || !slices.Equal(got, []string{one, two}) {
			t.Errorf("column %q: got %q, %v", column, got, err)
		}
	}
}

// SIDs are read from files of PowerShell, Excel, editors, web pages and chats.
func TestRealFiles(t *testing.T) {
	list, both := one+"\r\n"+two+"\r\n", []string{one, two}
	csv := "name,sid\r\nJürgen," + one + "\r\nAcme," + two + "\r\n"
	const dropped = "invisible characters were dropped around SIDs: 1"
	for name, test := range map[string]struct {
		content, column string
		want, notes     []string
	}{
		"UTF-8 with a mark":              {"\ufeff" + list, "", both, nil},
		"UTF-16 LE with a mark":          {wide(binary.LittleEndian, "\ufeff"+list), "", both, nil},
		"UTF-16 BE with a mark":          {wide(binary.BigEndian, "\ufeff"+list), "", both, nil},
		"UTF-16 LE":                      {wide(binary.LittleEndian, list), "", both, nil},
		"UTF-16 BE":                      {wide(binary.BigEndian, list), "", both, nil},
		"CSV in UTF-16":                  {wide(binary.LittleEndian, "\ufeff"+csv), "sid", both, nil},
		"CSV in Windows-1252":            {strings.Replace(csv, "ü", "\xfc", 1), "sid", both, nil},
		"Windows-1252, a no-break space": {one + "\xa0\n" + two, "", both, nil},
		"zero width space behind":        {one + "\u200b\n" + two, "", both, []string{dropped}},
		"mark and soft hyphen in front":  {"\u200e\u00ad" + one + "\n" + two, "", both, []string{dropped}},
		"NUL behind":                     {one + "\x00\n" + two, "", both, []string{dropped}},
		"no-break space behind":          {one + "\u00a0\n" + two, "", both, nil},
		"one of them is malformed":       {"BU1\n" + one, "", []string{"BU1", one}, nil},
		"empty":                          {"", "", nil, nil},
		"semicolons":                     {"name;sid\nAcme, Inc.;" + one + "\nB;" + two, "sid", both, nil},
		"tabs":                           {"name\tsid\nAcme, Inc.\t" + one + "\nB\t" + two, "sid", both, nil},
		"a delimiter is declared":        {"sep=;\r\nsid;a,b,c\r\n" + one + ";1\r\n" + two + ";2", "sid", both, nil},
		"a delimiter in quotes":          {"\"a,b,c\";sid\n1;" + one + "\n2;" + two, "sid", both, nil},
		"empty cells are left out":       {"sid,name,city\n" + one + "\n" + two + ",Acme\n", "sid", both, nil},
		"no cell for the SID":            {"name,sid\nAcme\nB," + one + "\n", "sid", []string{one}, nil},
		"quotes in a cell":               {"name,sid\nBob \"the builder\" Ltd," + one + "\n", "sid", []string{one}, nil},
		"a formula":                      {"name,sid\nB,=\"" + one + "\"\n", "sid", []string{one}, nil},
		"an address of two lines":        {"name,sid\n\"Main St\nTown\"," + one + "\n", "sid", []string{one}, nil},
		"a SID in another cell": {
			"name,sid\n" + one + "\nA," + two, "sid",
			[]string{two},
			[]string{"rows of the CSV were skipped, since their SID is uncertain: 1, in lines [2]"},
		},
		"a quote without an end": {
			"sep=,\nname,sid\nA," + one + "\n\"B," + two + "\nC," + two + "\n", "sid",
			[]string{one, two},
			[]string{"rows of the CSV were skipped, since their SID is uncertain: 1, in lines [4]"},
		},
		"quotes within two lines": {
			"n,name,sid\n1,\"Best\" Pizza," + one + "\n2,Joe's \"Diner\"," + two + "\n", "sid",
			[]string{two},
			[]string{"rows of the CSV were skipped, since their SID is uncertain: 1, in lines [2]"},
		},
		"a row within a note": { // the second line may be a row of its own
			"n,sid,note\n1," + one + ",\"see\nA," + two + ",old\"\n2,,\"see\nA," + two + ",old\"\n", "sid",
			[]string{one, two, two},
			[]string{"rows of the CSV were skipped, since their SID is uncertain: 1, in lines [4]"},
		},
		"CR alone, in a list":    {one + "\r" + two + "\r", "", both, nil},
		"CR alone, in a CSV":     {strings.ReplaceAll(csv, "\r\n", "\r"), "sid", both, nil},
		"a tab is declared":      {"sep=\t\nsid\ta;b;c\n" + one + "\t1\n" + two + "\t2", "sid", both, nil},
		"a header of two lines":  {"\"Customer\nname\";sid\nA;" + one + "\nB;" + two, "sid", both, nil},
		"blank lines in front":   {"\n\r\nname;sid\nA;" + one + "\nB;" + two, "sid", both, nil},
		"BM at the start":        {"BM;sid\nA;" + one + "\nB;" + two, "sid", both, nil},
		"column in another case": {"Name, Profile_SID \nA," + one, "profile_sid", []string{one}, nil},
	} {
		sids, notes, err := read(t, test.content, test.column)
		if err != nil || !slices.Equal(sids, test.want) || !slices.Equal(notes, test.notes) {
			t.Errorf("%s: got %q, %q, %v", name, sids, notes, err)
		}
	}
}

// A file without SIDs is an error before the first request.
func TestFilesWithoutSIDs(t *testing.T) {
	for name, test := range map[string]struct{ content, column, want string }{
		"xlsx":         {"PK\x03\x04\x14\x00\x06\x00", "sid", "a zip archive, such as an .xlsx of Excel: save it as CSV"},
		"HTML":         {"<!DOCTYPE html><html>", "", "an HTML page"},
		"PDF":          {"%PDF-1.7", "", "application/pdf"},
		"text":         {strings.Repeat("hello\n", 200) + one, "", `seem to be something else: the first one is "hello"`},
		"short text":   {"BU1", "", `the first one is "BU1"`},
		"accounts":     {"AC0123456789abcdef0123456789abcdef", "", "seem to be other SIDs"},
		"a CSV":        {"Acme," + one, "", "seem to be CSV or a table; use --column with the name of the column of SIDs"},
		"results":      {`{"sid":"` + one + `"}`, "", "seem to be JSON; results of an earlier run are for --resume"},
		"other column": {"sid,name\nAC1,Acme\n", "sid", `the first one is "AC1"`},
		"no column":    {"name,profile\nAcme," + one, "sid", `no column "sid", but ["name" "profile"]: choose one by --column`},
	} {
		if sids, _, err := read(t, test.content, test.column); err == nil || !strings.Contains(err.Error(), test.want) || len(sids) > 0 {
			t.Errorf("%s: got %q, %v", name, sids, err)
		}
	}
}

// A break of the loop is not an error.
func TestBreakIsNoError(t *testing.T) {
	for _, content := range []string{one + "\n" + two, "BU1\n" + one} {
		reader, err := sidfile.NewList(strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := reader.Each(func(string) bool { n++; return false }); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
	}
}

// A read error is returned after the SIDs before it.
func TestBrokenFile(t *testing.T) {
	broken := errors.New("I/O error")
	reader, err := sidfile.NewList(&failing{strings.NewReader(strings.Repeat(one+"\n", 1000)), broken})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := reader.Each(func(string) bool { n++; return true }); !errors.Is(err, broken) || n != 1000 {
		t.Errorf("%d, %v", n, err)
	}
}

type failing struct {
	*strings.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil {
		err = f.err
	}
	return n, err
}

func TestFlaw(t *testing.T) {
	for sid, want := range map[string]string{
		one:                            "",
		"BU1":                          "",
		one[:20] + "\u200b" + one[20:]: "U+200B ZERO WIDTH SPACE after digit 18",
		"\u0412U" + one[2:]:            "U+0412 CYRILLIC CAPITAL LETTER VE after character 0",
		one[:4] + "\x00" + one[4:]:     "U+0000 <control> after digit 2",
	} {
		if got := sidfile.Flaw(sid); got != want {
			t.Errorf("%q: got %q, want %q", sid, got, want)
		}
	}
}
