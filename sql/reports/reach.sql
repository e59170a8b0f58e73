-- How far the mails reached: abandoned carts of one store of which at least one message was accepted, and those of
-- them whose link was followed by a likely human.
-- store: text
-- since, until: microseconds since 1970 UTC, of the first abandonment; until is exclusive
-- human_below: a click that scores less is a likely human's
-- include_outbox: true: messages that only went to the outbox count too
SELECT
    COUNT(DISTINCT carts.id) AS written_to,
    COUNT(DISTINCT CASE WHEN EXISTS (
        SELECT 1 FROM events
        WHERE events.message_id = messages.id AND events.kind = 'click' AND events.scanner_score < :human_below
    ) THEN carts.id END) AS clicked
FROM carts
JOIN enrollments ON enrollments.cart_id = carts.id
JOIN messages ON messages.enrollment_id = enrollments.id
WHERE carts.store = :store
  AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
  AND carts.status <> 'converted'
  AND messages.state = 'accepted' AND NOT messages.is_test
  AND (messages.delivers OR :include_outbox)
