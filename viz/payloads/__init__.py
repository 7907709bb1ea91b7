"""Payloads for the browser: numbers as bytes."""
