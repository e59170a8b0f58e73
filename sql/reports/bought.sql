-- Orders that closed recovered carts of one store, and what they came to: as ordered (gross), and after refunds and
-- cancellations (net). An order that closed several carts is counted once, with the cart that is credited with it, and
-- belongs to one message of that cart: the last before it, and the one whose link was last followed by a likely human
-- before it; each if that was within the attribution window. Blank: there is none.
-- store: text
-- since, until: microseconds since 1970 UTC, of the first abandonment; until is exclusive
-- slot: microseconds: times are told apart by it
-- recovery_window, attribution_window: microseconds
-- human_below: a click that scores less is a likely human's
-- include_outbox: true: messages that only went to the outbox count too
SELECT
    touched.channel,
    touched.currency,
    touched.slot,
    COALESCE(sent_for.sequence, '') AS sent_sequence,
    COALESCE(sent.step, '') AS sent_step,
    COALESCE(clicked_for.sequence, '') AS clicked_sequence,
    COALESCE(clicked.step, '') AS clicked_step,
    COUNT(*) AS orders,
    SUM(touched.total_minor) AS gross_minor,
    SUM(touched.net_minor) AS net_minor
FROM (
    SELECT
        carts.channel,
        orders.currency,
        carts.first_abandoned_at / :slot AS slot,
        orders.total_minor,
        orders.net_minor,
        (SELECT messages.id
         FROM enrollments
         JOIN messages ON messages.enrollment_id = enrollments.id
         WHERE enrollments.cart_id = carts.id
           AND messages.state = 'accepted' AND NOT messages.is_test
           AND (messages.delivers OR :include_outbox)
           AND messages.sent_at <= carts.recovered_at
           AND carts.recovered_at < messages.sent_at + :attribution_window
         ORDER BY messages.sent_at DESC, messages.id DESC
         LIMIT 1) AS sent_id,
        (SELECT messages.id
         FROM enrollments
         JOIN messages ON messages.enrollment_id = enrollments.id
         JOIN events ON events.message_id = messages.id
         WHERE enrollments.cart_id = carts.id
           AND messages.state = 'accepted' AND NOT messages.is_test
           AND (messages.delivers OR :include_outbox)
           AND events.kind = 'click' AND events.scanner_score < :human_below
           AND events.at <= carts.recovered_at
           AND carts.recovered_at < events.at + :attribution_window
         ORDER BY events.at DESC, events.id DESC
         LIMIT 1) AS clicked_id
    FROM carts
    JOIN orders ON orders.id = carts.order_id
    WHERE carts.store = :store
      AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
      AND carts.status = 'recovered'
      AND carts.recovered_at < carts.first_abandoned_at + :recovery_window
      AND carts.credited
      AND carts.id NOT IN (SELECT cart_id FROM enrollments WHERE is_test AND cart_id IS NOT NULL)
) AS touched
LEFT JOIN messages AS sent ON sent.id = touched.sent_id
LEFT JOIN enrollments AS sent_for ON sent_for.id = sent.enrollment_id
LEFT JOIN messages AS clicked ON clicked.id = touched.clicked_id
LEFT JOIN enrollments AS clicked_for ON clicked_for.id = clicked.enrollment_id
GROUP BY
    touched.channel, touched.currency, touched.slot, sent_for.sequence, sent.step, clicked_for.sequence, clicked.step
