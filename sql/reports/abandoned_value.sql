-- What the abandoned carts of one store were worth, by the carts' own currency.
-- store: text
-- since, until: microseconds since 1970 UTC; until is exclusive
SELECT currency, SUM(total_minor) AS abandoned_minor
FROM carts
WHERE store = :store
  AND first_abandoned_at >= :since AND first_abandoned_at < :until
  AND status <> 'converted'
  AND carts.id NOT IN (SELECT cart_id FROM enrollments WHERE is_test AND cart_id IS NOT NULL)
GROUP BY currency
ORDER BY currency
