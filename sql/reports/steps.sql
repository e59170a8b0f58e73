-- Messages accepted by the transport, by step, for carts of one store first abandoned in the period; and how many of
-- these carts were bought within the attribution window after that message, it being the last one before the order.
-- store: text
-- since, until: microseconds since 1970 UTC; until is exclusive
-- recovery_window: microseconds
-- attribution_window: microseconds
-- include_outbox: true: messages that only went to the outbox count too
SELECT
    enrollments.sequence,
    messages.step,
    COUNT(*) AS sent,
    SUM(CASE WHEN carts.status = 'recovered'
              AND carts.recovered_at >= messages.sent_at
              AND carts.recovered_at < messages.sent_at + :attribution_window
              AND carts.recovered_at < carts.first_abandoned_at + :recovery_window
              AND NOT EXISTS (
                  SELECT 1 FROM messages AS later
                  WHERE later.enrollment_id = messages.enrollment_id
                    AND later.state = 'accepted'
                    AND (later.delivers OR :include_outbox)
                    AND (later.sent_at > messages.sent_at
                         OR (later.sent_at = messages.sent_at AND later.id > messages.id))
                    AND later.sent_at <= carts.recovered_at)
             THEN 1 ELSE 0 END) AS recovered
FROM carts
JOIN enrollments ON enrollments.cart_id = carts.id
JOIN messages ON messages.enrollment_id = enrollments.id
WHERE carts.store = :store
  AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
  AND messages.state = 'accepted'
  AND (messages.delivers OR :include_outbox)
  AND NOT messages.is_test
GROUP BY enrollments.sequence, messages.step
ORDER BY enrollments.sequence, messages.step
