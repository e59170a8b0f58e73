-- Codes that accepted messages showed, for carts of one store first abandoned in the period; by the pool the code was
-- imported for, else by the code itself: all were shown the same. Bought: the cart was recovered after the message.
-- Redeemed: moreover its order, counted with the cart that is credited with it and the last message that showed the
-- code, bears that code.
-- store: text
-- since, until: microseconds since 1970 UTC, of the first abandonment; until is exclusive
-- recovery_window: microseconds
-- include_outbox: true: messages that only went to the outbox count too
SELECT
    coupon,
    currency,
    COUNT(*) AS shown,
    SUM(bought) AS bought,
    SUM(redeemed) AS orders,
    SUM(redeemed * total_minor) AS gross_minor,
    SUM(redeemed * net_minor) AS net_minor
FROM (
    SELECT
        COALESCE(coupons.coupon, messages.coupon) AS coupon,
        COALESCE(orders.currency, '') AS currency,
        COALESCE(orders.total_minor, 0) AS total_minor,
        COALESCE(orders.net_minor, 0) AS net_minor,
        CASE WHEN orders.id IS NULL THEN 0 ELSE 1 END AS bought,
        CASE WHEN carts.credited AND LOWER(orders.coupon) = LOWER(messages.coupon)
              AND NOT EXISTS (
                  SELECT 1
                  FROM enrollments AS others
                  JOIN messages AS later ON later.enrollment_id = others.id
                  WHERE others.cart_id = carts.id
                    AND later.state = 'accepted' AND NOT later.is_test AND later.coupon = messages.coupon
                    AND (later.delivers OR :include_outbox)
                    AND later.sent_at <= carts.recovered_at
                    AND (later.sent_at > messages.sent_at
                         OR (later.sent_at = messages.sent_at AND later.id > messages.id)))
             THEN 1 ELSE 0 END AS redeemed
    FROM carts
    JOIN enrollments ON enrollments.cart_id = carts.id
    JOIN messages ON messages.enrollment_id = enrollments.id
    LEFT JOIN coupons ON coupons.message_id = messages.id
    LEFT JOIN orders ON orders.id = carts.order_id
        AND carts.status = 'recovered'
        AND carts.recovered_at < carts.first_abandoned_at + :recovery_window
        AND carts.recovered_at >= messages.sent_at
    WHERE carts.store = :store
      AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
      AND messages.state = 'accepted' AND NOT messages.is_test
      AND (messages.delivers OR :include_outbox)
      AND messages.coupon <> ''
) AS shown
GROUP BY coupon, currency
