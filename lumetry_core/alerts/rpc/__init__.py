"""Servicers of alerts, and of what holds back telling people of them."""
