package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "trusthub",
		Short: "Fetch, watch and check Twilio Trust Hub Customer Profiles",
		Long: "Fetch, watch and check Twilio Trust Hub Customer Profiles, or serve a fake of the API.\n\n" +
			"Credentials come from TWILIO_API_KEY and TWILIO_API_SECRET if they are set, otherwise from\n" +
			"TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.\n\n" +
			exitCodes("0 success", "1 something could not be fetched", "2 wrong use", "3 the watched profile is rejected", "4 the contract is broken",
				"5 nothing is left to fetch, and some SIDs have no profile"),
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 100"))
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.AddCommand(newFetchCommand(), newWatchCommand(), newCheckCommand(), newReportCommand(), newServeCommand(),
		newGroup("auth", "Check the credentials", newAuthStatusCommand()),
		newGroup("callback", "Explain status callbacks", newExplainCommand()))
	return root
}

// newGroup returns a command that groups others: so far, one.
func newGroup(name, short string, only *cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("trusthub: %s has one command: %s", name, only.Name())
		},
	}
	group.AddCommand(only)
	return group
}

// exitCodes returns the exit codes in the form of a help text.
func exitCodes(codes ...string) string {
	text := "Exit codes:\n"
	for _, code := range append(codes, "130, 143 ended by SIGINT, by SIGTERM") {
		text += "  " + code + "\n"
	}
	return text
}

// version returns the version of the module, with the commit if it was built from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	text := info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			text += " " + setting.Value
		}
	}
	return text + " " + info.GoVersion
}
