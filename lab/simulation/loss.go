package simulation

// The formulas of queueing theory return the 429s per served request, for a number of slots and
// their utilization, when the clients do not adapt.

// erlang is for independent requests of any number of sources (Erlang B).
func erlang(slots int, used float64) float64 {
	return refusals(slots, used, func(load float64) (carried, blocked float64) {
		b := 1.
		for k := 1; k <= slots; k++ {
			b = load * b / (float64(k) + load*b)
		}
		return load * (1 - b), b
	})
}

// engset is for a number of sources with one request at a time and a pause after it.
func engset(slots, sources int, used float64) float64 {
	return refusals(slots, used, func(load float64) (carried, blocked float64) {
		all, weighted, _ := weights(slots, sources, load)
		// a request finds the load of the other sources
		others, _, full := weights(slots, sources-1, load)
		return weighted / all, full / others
	})
}

// refusals finds the load with this utilization of the slots. It returns the 429s per served
// request.
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

// weights returns sums over the states of Engset's system, for sources with a load between
// requests. all is the sum of the weights, weighted their sum multiplied by the slots in use, and
// full the weight of the state without a free slot.
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
