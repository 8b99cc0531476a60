"""The exchange simulator: numbered trades over WebSockets, each in the ledger before it is sent."""
