package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed07fc1495/trusthub/lab/answers"
	"github.com/seed07fc1495/trusthub/lab/bench/peers"
	"github.com/seed07fc1495/trusthub/lab/bench/peers/http2"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// measureMemory measures the processor time and allocations of a fetch with a transport in memory.
func measureMemory(_ *server, turns int) (*table, error) {
	t := newTable("a", "Answered from memory: CPU time and allocations for each fetch")
	for _, body := range []struct {
		name    string
		content []byte
	}{{"example", answers.Example()}, {"approved", answers.Approved()}} {
		names, fetches, err := prepare(peers.All(), func(peer peers.Peer) (peers.Fetch, error) {
			return peer.New("http://127.0.0.1", http2.Memory(http.StatusOK, body.content))
		})
		if err != nil {
			return nil, err
		}
		medians, err := inTurns(names, turns, func(name string) ([]float64, error) { return cost(fetches[name], 20_000) })
		if err != nil {
			return nil, err
		}
		t.add(body.name+", µs", names, medians, 0, "%.1f")
		t.add(body.name+", allocations", names, medians, 1, "%.0f")
	}
	return t, nil
}

// measureLoopback measures the processor time of the client for a fetch over a kept connection to
// loopback.
func measureLoopback(s *server, turns int) (*table, error) {
	t := newTable("b", "Over loopback with keep-alive, server in another process: the client's CPU time for each fetch")
	for _, protocol := range []struct{ name, address string }{{"HTTP/1.1", s.HTTP}, {"HTTP/1.1 over TLS", s.HTTP1}, {"HTTP/2 over TLS", s.HTTP2}} {
		names, fetches, err := prepare(peers.Retrying(), func(peer peers.Peer) (peers.Fetch, error) { return peer.New(protocol.address, nil) })
		if err != nil {
			return nil, err
		}
		medians, err := inTurns(names, turns, func(name string) ([]float64, error) { return cost(fetches[name], 4_000) })
		if err != nil {
			return nil, err
		}
		t.add(protocol.name+", µs", names, medians, 0, "%.1f")
	}
	return t, nil
}

// measureConcurrency measures the throughput and the number of connections of 64 goroutines over
// TLS. Each run takes one second and starts with a new client and without connections.
func measureConcurrency(s *server, turns int) (*table, error) {
	const goroutines = 64
	t := newTable("c", fmt.Sprintf("%d goroutines over TLS, each request held %v: throughput and connections opened", goroutines, hold))
	for _, protocol := range []struct{ name, address string }{{"HTTP/1.1", s.HTTP1}, {"HTTP/2", s.HTTP2}} {
		names, byName := all(peers.Retrying())
		medians, err := inTurns(names, turns, func(name string) ([]float64, error) {
			before, err := s.connections()
			if err != nil {
				return nil, err
			}
			http.DefaultTransport.(*http.Transport).CloseIdleConnections() // shared by most peers
			fetch, err := byName[name].New(protocol.address+"/slow", nil)
			if err != nil {
				return nil, err
			}
			done, err := throughput(fetch, goroutines, time.Second)
			if err != nil {
				return nil, err
			}
			after, err := s.connections()
			return []float64{done, float64(after - before)}, err
		})
		if err != nil {
			return nil, err
		}
		t.add(protocol.name+", profiles/s", names, medians, 0, "%.0f")
		t.add(protocol.name+", connections", names, medians, 1, "%.0f")
	}
	return t, nil
}

// all returns peers by name, and their names in order.
func all(list []peers.Peer) (names []string, byName map[string]peers.Peer) {
	byName = make(map[string]peers.Peer)
	for _, peer := range list {
		names, byName[peer.Name] = append(names, peer.Name), peer
	}
	return names, byName
}

func prepare(list []peers.Peer, build func(peers.Peer) (peers.Fetch, error)) (names []string, fetches map[string]peers.Fetch, err error) {
	fetches = make(map[string]peers.Fetch)
	for _, peer := range list {
		names = append(names, peer.Name)
		if fetches[peer.Name], err = build(peer); err != nil {
			return nil, nil, err
		}
	}
	return names, fetches, nil
}

// cost returns the processor time of a fetch in microseconds, and its allocations.
func cost(fetch peers.Fetch, fetches int) ([]float64, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := processorTime()
	for range fetches {
		if _, err := fetch(context.Background(), trusthubtest.ExampleSID); err != nil {
			return nil, err
		}
	}
	took := processorTime() - start
	runtime.ReadMemStats(&after)
	return []float64{
		float64(took.Nanoseconds()) / 1000 / float64(fetches),
		float64(after.Mallocs-before.Mallocs) / float64(fetches),
	}, nil
}

// processorTime returns the user and system time of this process.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // cannot fail for this process
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// throughput returns the fetches per second of several goroutines.
func throughput(fetch peers.Fetch, goroutines int, d time.Duration) (float64, error) {
	var done atomic.Int64
	var failure atomic.Pointer[error]
	var running sync.WaitGroup
	start := time.Now()
	for range goroutines {
		running.Go(func() {
			for time.Since(start) < d {
				if _, err := fetch(context.Background(), trusthubtest.ExampleSID); err != nil {
					failure.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	running.Wait()
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}
