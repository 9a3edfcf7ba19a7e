package simulation

// The loss formulas tell how many requests a system with so many slots refuses when it is used to a
// share and nobody adapts: refusals for each request that is served.

// erlang is for requests that arrive independently of each other, from any number of sources
// (Erlang B).
func erlang(slots int, used float64) float64 {
	return refusals(slots, used, func(load float64) (carried, blocked float64) {
		b := 1.
		for k := 1; k <= slots; k++ {
			b = load * b / (float64(k) + load*b)
		}
		return load * (1 - b), b
	})
}

// engset is for a number of sources, each of which has one request at a time and then rests.
func engset(slots, sources int, used float64) float64 {
	return refusals(slots, used, func(load float64) (carried, blocked float64) {
		all, weighted, _ := weights(slots, sources, load)
		others, _, full := weights(slots, sources-1, load) // what a request finds is made by the others
		return weighted / all, full / others
	})
}

// refusals finds the load that uses the slots to this share, and returns the refusals a request
// served.
func refusals(slots int, used float64, at func(load float64) (carried, blocked float64)) float64 {
	low, high := 0., 1e4
	for range 200 {
		load := (low + high) / 2
		if carried, _ := at(load); carried < used*float64(slots) {
			low = load
		} else {
			high = load
		}
	}
	_, blocked := at(low)
	return blocked / (1 - blocked)
}

// weights sums up the states of Engset's system, for sources that offer so much when they rest:
// all, by the slots in use, and the one in which all slots are.
func weights(slots, sources int, load float64) (all, weighted, full float64) {
	w := 1.
	for k := range min(slots, sources) + 1 {
		all, weighted, full = all+w, weighted+float64(k)*w, w
		w *= load * float64(sources-k) / float64(k+1)
	}
	if sources < slots {
		full = 0
	}
	return all, weighted, full
}
