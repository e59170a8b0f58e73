-- Messages accepted by the transport, by step, for carts of one store first abandoned in the period; and those of them
-- to shoppers who had by then bought, because the order was imported later.
-- store: text
-- since, until: microseconds since 1970 UTC, of the first abandonment; until is exclusive
-- attribution_window: microseconds
-- include_outbox: true: messages that only went to the outbox count too
-- now: microseconds since 1970 UTC
SELECT
    enrollments.sequence,
    messages.step,
    COUNT(*) AS sent,
    SUM(CASE WHEN messages.sent_at >= orders.placed_at THEN 1 ELSE 0 END) AS late,
    SUM(CASE WHEN messages.sent_at + :attribution_window > :now THEN 1 ELSE 0 END) AS immature
FROM carts
JOIN enrollments ON enrollments.cart_id = carts.id
JOIN messages ON messages.enrollment_id = enrollments.id
LEFT JOIN orders ON orders.id = carts.order_id
WHERE carts.store = :store
  AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
  AND messages.state = 'accepted' AND NOT messages.is_test
  AND (messages.delivers OR :include_outbox)
GROUP BY messages.step, enrollments.sequence
