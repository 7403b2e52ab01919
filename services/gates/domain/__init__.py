"""What the gates decide, pure: approvals and kill switches."""
