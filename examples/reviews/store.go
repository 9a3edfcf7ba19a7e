package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	_ "modernc.org/sqlite" // driver

	"github.com/seed07fc1495/trusthub"
)

// store is the database. It has the last handled state of each profile as JSON, and an outbox.
type store struct{ *sql.DB }

const schema = `
CREATE TABLE IF NOT EXISTS profiles (
	account TEXT NOT NULL, sid TEXT NOT NULL, profile TEXT NOT NULL, PRIMARY KEY (account, sid)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
	number INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, sid TEXT NOT NULL,
	before TEXT NOT NULL, status TEXT NOT NULL, reasons TEXT NOT NULL, polled_at TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS by_profile ON outbox (account, sid, number);
CREATE INDEX IF NOT EXISTS unsent ON outbox (number) WHERE sent = 0;`

func openStore(ctx context.Context, file string) (*store, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer at a time
	if _, err := db.ExecContext(ctx, schema); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("database %s: %w", file, err)
	}
	return &store{db}, nil
}

// known returns the recorded profile, or nil if there is none.
func (s *store) known(ctx context.Context, account, sid string) (*trusthub.CustomerProfile, error) {
	var text string
	err := s.QueryRowContext(ctx, "SELECT profile FROM profiles WHERE account = ? AND sid = ?", account, sid).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // nothing is known
	}
	if err != nil {
		return nil, err
	}
	profile := new(trusthub.CustomerProfile)
	return profile, json.Unmarshal([]byte(text), profile)
}

// record records a profile and its message in one transaction, so that each change is recorded
// once. There is a message only if the status differs from the last message. An error counts as a
// status.
func (s *store) record(ctx context.Context, account string, change trusthub.Change) error {
	tx, err := s.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	before, status, reasons := "", "error", ""
	const last = "SELECT status FROM outbox WHERE account = ? AND sid = ? ORDER BY number DESC LIMIT 1"
	if err := tx.QueryRowContext(ctx, last, account, change.SID).Scan(&before); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if change.Err != nil {
		reasons = change.Err.Error()
	} else {
		status, reasons = string(change.After.Status), reasonsOf(change)
		text, err := json.Marshal(change.After)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO profiles VALUES (?, ?, ?)", account, change.SID, string(text)); err != nil {
			return err
		}
	}
	if before != status {
		const insert = "INSERT INTO outbox (account, sid, before, status, reasons, polled_at) VALUES (?, ?, ?, ?, ?, ?)"
		if _, err := tx.ExecContext(ctx, insert, account, change.SID, before, status, reasons, change.PolledAt.UTC().String()); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// reasonsOf returns the reasons of a rejection as text.
func reasonsOf(change trusthub.Change) string {
	if change.After.Status != trusthub.StatusTwilioRejected {
		return ""
	}
	texts := trusthub.ProfileErrorTexts(change.After)
	if change.Event != nil && change.Event.FailureReason != "" {
		texts = append(texts, "Twilio says: "+change.Event.FailureReason)
	}
	return strings.Join(texts, "; ")
}

// message is a message of the outbox.
type message struct {
	number                        int64
	account, sid, status, reasons string
}

// unsent returns the next messages to send.
func (s *store) unsent(ctx context.Context) (messages []message, err error) {
	rows, err := s.QueryContext(ctx, "SELECT number, account, sid, status, reasons FROM outbox WHERE sent = 0 ORDER BY number LIMIT 100")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var m message
		if err := rows.Scan(&m.number, &m.account, &m.sid, &m.status, &m.reasons); err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, rows.Err()
}

func (s *store) markSent(ctx context.Context, number int64) error {
	_, err := s.ExecContext(ctx, "UPDATE outbox SET sent = 1 WHERE number = ?", number)
	return err
}
