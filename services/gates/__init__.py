"""Approvals and the kill switch."""
