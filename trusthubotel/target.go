package trusthubotel

import (
	"net/url"
	"slices"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// target has the attributes that are the same for all calls. It is made once.
type target struct {
	name              string // GET /v1/CustomerProfiles/{Sid}
	ofCall, ofRequest []trace.SpanStartOption
	attributes        []attribute.KeyValue // attributes of metrics
	outcomes          kept[outcome, []metric.RecordOption]
}

// endpoint is the operation and address of a call.
type endpoint struct{ method, route, scheme, host string }

// outcome has the other attributes of a call or a request.
type outcome struct {
	status    int
	errorType string
}

func newTarget(e endpoint, attributes []attribute.KeyValue) *target {
	base := url.URL{Scheme: e.scheme, Host: e.host}
	port, err := strconv.Atoi(base.Port())
	switch {
	case err == nil:
	case e.scheme == "http":
		port = 80
	default:
		port = 443
	}
	common := slices.Concat(attributes, []attribute.KeyValue{
		semconv.ServerAddress(base.Hostname()), semconv.ServerPort(port), semconv.URLScheme(e.scheme), semconv.URLTemplate(e.route),
	})
	http := append(slices.Clip(common), semconv.HTTPRequestMethodKey.String(e.method))
	return &target{
		name:       e.method + " " + e.route,
		ofCall:     []trace.SpanStartOption{trace.WithAttributes(common...)},
		ofRequest:  []trace.SpanStartOption{trace.WithAttributes(http...), trace.WithSpanKind(trace.SpanKindClient)},
		attributes: http,
	}
}

// recorded returns the attributes of a measurement.
func (t *target) recorded(o outcome) []metric.RecordOption {
	return t.outcomes.get(o, func() []metric.RecordOption {
		all := slices.Clone(t.attributes)
		if o.status != 0 {
			all = append(all, semconv.HTTPResponseStatusCode(o.status))
		}
		if o.errorType != "" {
			all = append(all, semconv.ErrorTypeKey.String(o.errorType))
		}
		return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(all...))}
	})
}

// kept caches a value for each of a small number of keys.
type kept[K comparable, V any] struct {
	mu   sync.Mutex
	made map[K]V
}

func (k *kept[K, V]) get(key K, build func() V) V {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.made == nil {
		k.made = make(map[K]V)
	}
	value, ok := k.made[key]
	if !ok {
		value = build()
		k.made[key] = value
	}
	return value
}
