// Package trackers_test tests trackers with thousands of profiles, callbacks, outages and restarts,
// in virtual time.
package trackers_test

import "github.com/seed07fc1495/trusthub/trusthubtest"

const sid = trusthubtest.ExampleSID
