-- Messages that reached shoppers of one store who had by then bought, because the order was imported later.
-- store: text
-- since, until: microseconds since 1970 UTC, of the carts' first abandonment; until is exclusive
-- include_outbox: true: messages that only went to the outbox count too
SELECT COUNT(*) AS late_orders
FROM carts
JOIN orders ON orders.id = carts.order_id
JOIN enrollments ON enrollments.cart_id = carts.id
JOIN messages ON messages.enrollment_id = enrollments.id
WHERE carts.store = :store
  AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
  AND messages.state = 'accepted'
  AND (messages.delivers OR :include_outbox)
  AND messages.sent_at >= orders.placed_at
  AND NOT messages.is_test
