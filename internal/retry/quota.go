package retry

import "sync"

// Quota is the retry budget of a client. It starts with 100 retries, and each success adds a fifth
// of one. When it is empty, calls fail after their first attempt, so that an outage does not
// multiply traffic. The numbers are those of older AWS SDKs; aws-sdk-go-v2 v1.48 has others.
type Quota struct {
	mu     sync.Mutex
	tokens int
}

const (
	quotaSize     = 500
	tokensToRetry = 5
)

// NewQuota returns a full quota.
func NewQuota() *Quota { return &Quota{tokens: quotaSize} }

// Take spends one retry, if there is one.
func (q *Quota) Take() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.tokens < tokensToRetry {
		return false
	}
	q.tokens -= tokensToRetry
	return true
}

// Left returns the number of retries.
func (q *Quota) Left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tokens / tokensToRetry
}

// Earn is called for each success.
func (q *Quota) Earn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tokens = min(q.tokens+1, quotaSize)
}
