"""The feed handler: one exchange's trades from its WebSocket into the raw topic, with an ack journal."""
