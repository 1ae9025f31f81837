#!/bin/sh
# Cleans one customer record: prints it normalised, as JSON, or says on stderr what is wrong with it and exits with 1.
# Usage: clean-customer.sh NAME EMAIL PHONE POSTCODE COUNTRY
set -eu
export LC_ALL=C

fail() { echo "$1" >&2; exit 1; }
json() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }

country=$(printf '%s' "$5" | tr '[:lower:]' '[:upper:]')
case $country in
    DE) code=49 ;; FR) code=33 ;; IT) code=39 ;; ES) code=34 ;; NL) code=31 ;; SE) code=46 ;;
    PT) code=351 ;; PL) code=48 ;; TR) code=90 ;; JP) code=81 ;; IE) code=353 ;; HU) code=36 ;;
    *) fail "unknown country '$country'" ;;
esac

email=$(printf '%s' "$2" | tr -d ' ' | tr '[:upper:]' '[:lower:]')
[ -n "$email" ] || fail "no email address"
case $email in
    ?*@?*.?*) ;;
    *) fail "not an email address: '$2'" ;;
esac

digits=$(printf '%s' "$3" | tr -cd '+0-9')
case $digits in
    +*) phone=$digits ;;
    00*) phone=+${digits#00} ;;
    0*) phone=+$code${digits#0} ;;
    *) fail "not a phone number: '$3'" ;;
esac

# "Last, First" becomes "First Last".
name=$(printf '%s' "$1" | tr -s ' ' | sed 's/^\([^,]*\), *\(.*\)$/\2 \1/')

printf '{"name":"%s","email":"%s","phone":"%s","postcode":"%s","country":"%s"}\n' \
    "$(json "$name")" "$(json "$email")" "$phone" "$(json "$4")" "$country"
