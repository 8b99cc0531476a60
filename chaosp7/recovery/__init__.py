"""The recovery timeline: freshness of every tier over time. Pure."""
