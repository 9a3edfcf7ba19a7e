#!/bin/sh
# Audit the profiles of customers.csv, and write them with what Twilio says of each to audit-DATE.csv.
results=audit-$(date +%F).ndjson
code=1
while [ "$code" -eq 1 ]; do # something could not be fetched, and may be later
	trusthub fetch --from customers.csv --column profile_sid --resume "$results"
	code=$?
	[ "$code" -ne 1 ] || sleep "${PAUSE:-300}"
done
trusthub report "$results" --join customers.csv --column profile_sid -o csv > "${results%.ndjson}.csv"
exit "$code" # 0: each has a profile; 5: some have none
