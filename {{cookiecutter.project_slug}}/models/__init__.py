"""The schema, as SQLAlchemy models."""

from models.audit import AuditLog
from models.auth import AuthProvider, Role, User
from models.documents import Category, Document, DocumentPage, DocumentStatus
from models.webhooks import Webhook, WebhookDelivery

__all__ = [
    "AuditLog",
    "AuthProvider",
    "Category",
    "Document",
    "DocumentPage",
    "DocumentStatus",
    "Role",
    "User",
    "Webhook",
    "WebhookDelivery",
]
