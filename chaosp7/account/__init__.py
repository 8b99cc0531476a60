"""The account of messages: ledger, tiers' readers, classes and attribution."""
