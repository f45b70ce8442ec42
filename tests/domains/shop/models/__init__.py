"""A shop: what it sells, to whom, out of which warehouse, and what is paid for it."""

from models.billing import Currency, Invoice, Payment, PricePeriod
from models.catalogue import Category, Label, Product, ProductKind, product_label
from models.orders import Customer, Order, OrderEvent, OrderItem, OrderStatus, ShippedItem
from models.stock import Stock, Warehouse

__all__ = [
    "Category",
    "Currency",
    "Customer",
    "Invoice",
    "Label",
    "Order",
    "OrderEvent",
    "OrderItem",
    "OrderStatus",
    "Payment",
    "PricePeriod",
    "Product",
    "ProductKind",
    "ShippedItem",
    "Stock",
    "Warehouse",
    "product_label",
]
