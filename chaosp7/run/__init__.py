"""One run: load, fault, drain, account, recovery, verdict, evidence."""
