#!/bin/sh
# Audit the profiles of customers.csv, and write customers and profiles to audit-DATE.csv.
results=audit-$(date +%F).ndjson
code=1
tries=0
while [ "$code" -eq 1 ] && [ "$tries" -lt 12 ]; do # a later run may fetch the rest
	if [ "$tries" -gt 0 ]; then sleep "${PAUSE:-300}"; fi
	tries=$((tries + 1))
	trusthub fetch --from customers.csv --column profile_sid --resume "$results"
	code=$?
done
case $code in 0 | 1 | 5) ;; *) exit "$code" ;; esac # wrong use, or a signal
trusthub report "$results" --join customers.csv --column profile_sid -o csv > "${results%.ndjson}.csv"
