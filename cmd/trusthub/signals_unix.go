//go:build unix

package main

import (
	"os"
	"syscall"
	"time"
)

// kill ends this process by a signal. It returns where that is ignored: in a background job of a
// script, or as the first process of a container.
func kill(sig os.Signal) {
	if number, ok := sig.(syscall.Signal); ok && syscall.Kill(syscall.Getpid(), number) == nil {
		time.Sleep(100 * time.Millisecond) // it may be delivered to another thread
	}
}
