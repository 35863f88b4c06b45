"""A small shop: a card is charged and a receipt sent in the background."""
