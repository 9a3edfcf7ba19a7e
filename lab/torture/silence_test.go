package torture

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// After all connections died without notice, calls succeed again soon, over HTTP/1.1 and HTTP/2 on
// real sockets.
func TestConnectionsDieWithoutNotice(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *rand.Rand, http.Handler) *world{
		"HTTP/1.1": func(t *testing.T, _ *rand.Rand, handler http.Handler) *world { return newPlain(t, handler) },
		"HTTP/2":   newGoAway,
	} {
		t.Run(name, func(t *testing.T) {
			world := start(t, nil, trusthubtest.NewHandler())
			defer world.stop()
			client, line := newClient(t, world, trusthub.WithTimeout(300*time.Millisecond))
			defer client.CloseIdleConnections()
			untilEachSucceeds := func() (took time.Duration) {
				start := time.Now()
				var all sync.WaitGroup
				for range callers {
					all.Go(func() {
						for time.Since(start) < time.Minute {
							if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err == nil {
								return
							}
						}
					})
				}
				all.Wait()
				return time.Since(start)
			}
			untilEachSucceeds()
			dead := line.Freeze()
			if took := untilEachSucceeds(); dead == 0 || took > 5*time.Second+grace {
				t.Errorf("%v after %d connections died", took, dead)
			}
		})
	}
}
