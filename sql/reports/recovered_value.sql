-- What recovered carts of one store brought, by the orders' currency: as ordered (gross) and after refunds and
-- cancellations (net). An order that closed several carts is counted once, with the cart that is credited with it.
-- store: text
-- since, until: microseconds since 1970 UTC; until is exclusive
-- recovery_window: microseconds
SELECT
    orders.currency,
    SUM(orders.total_minor) AS gross_minor,
    SUM(orders.net_minor) AS net_minor
FROM carts
JOIN orders ON orders.id = carts.order_id
WHERE carts.store = :store
  AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
  AND carts.status = 'recovered'
  AND carts.recovered_at < carts.first_abandoned_at + :recovery_window
  AND carts.credited
  AND carts.id NOT IN (SELECT cart_id FROM enrollments WHERE is_test AND cart_id IS NOT NULL)
GROUP BY orders.currency
ORDER BY orders.currency
