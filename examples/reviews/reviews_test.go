package main

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const sid = trusthubtest.ExampleSID

// The whole loop, over real connections: the status changes, the fake calls, the program verifies, fetches and tells.
func TestToldByACall(t *testing.T) {
	fake := trusthubtest.NewServer(t)
	client, keys, err := newClient(fake.URL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public := "http://" + listener.Addr().String()
	told := make(chan trusthub.CustomerProfileStatus, 10)
	r := newReviews(client, func(profile *trusthub.CustomerProfile) { told <- profile.Status })
	handler, err := r.handler(public, keys)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx, listener, handler, []string{sid}, time.Hour) })
	if status := <-told; status != trusthub.StatusDraft { // by the watch, which begins with what is
		t.Errorf("told %s", status)
	}
	calls := &http.Client{Transport: new(http.Transport)}
	fake.CallBack(calls)
	for _, status := range []trusthub.CustomerProfileStatus{trusthub.StatusInReview, trusthub.StatusTwilioApproved} {
		fake.Put(trusthub.CustomerProfile{SID: sid, Status: status, StatusCallback: public + path + sid})
		select {
		case got := <-told:
			if got != status {
				t.Errorf("told %s, want %s", got, status)
			}
		default: // Put has waited for the answer
			t.Errorf("not told of %s", status)
		}
	}
	calls.CloseIdleConnections()
	stop()
	running.Wait()
	if len(told) > 0 {
		t.Errorf("told %s besides", <-told)
	}
}

// A call that never comes costs time, and nothing else.
func TestToldByTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		var told []trusthub.CustomerProfileStatus
		r := newReviews(inProcess(t, fake), func(profile *trusthub.CustomerProfile) { told = append(told, profile.Status) })
		ctx, stop := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { r.watch(ctx, sid, 6*time.Hour) })
		time.Sleep(time.Hour)
		fake.Put(trusthub.CustomerProfile{SID: sid, Status: trusthub.StatusTwilioRejected})
		time.Sleep(7 * time.Hour)
		stop()
		watching.Wait()
		if !slices.Equal(told, []trusthub.CustomerProfileStatus{trusthub.StatusDraft, trusthub.StatusTwilioRejected}) {
			t.Errorf("told %v", told)
		}
	})
}

// Call and watch learn the same, now and then in the wrong order: each change is told once, and none of the past.
func TestLearnTellsNothingTwice(t *testing.T) {
	at := func(minute int) *time.Time {
		return new(time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC))
	}
	var told []trusthub.CustomerProfileStatus
	r := newReviews(nil, func(profile *trusthub.CustomerProfile) { told = append(told, profile.Status) })
	for _, profile := range []trusthub.CustomerProfile{
		{SID: sid, Status: trusthub.StatusInReview, DateUpdated: at(1)},
		{SID: sid, Status: trusthub.StatusInReview, DateUpdated: at(1)},
		{SID: sid, Status: trusthub.StatusTwilioApproved, DateUpdated: at(2)},
		{SID: sid, Status: trusthub.StatusInReview, DateUpdated: at(1)},
		{SID: sid, Status: trusthub.StatusDraft},
	} {
		if err := r.learn(t.Context(), &profile); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(told, []trusthub.CustomerProfileStatus{trusthub.StatusInReview, trusthub.StatusTwilioApproved, trusthub.StatusDraft}) {
		t.Errorf("told %v", told)
	}
}

func inProcess(t *testing.T, fake *trusthubtest.Handler) *trusthub.Client {
	t.Helper()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithHTTPClient(&http.Client{Transport: fake}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}
