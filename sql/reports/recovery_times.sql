-- How long after their first abandonment recovered carts of one store were bought, in whole minutes.
-- store: text
-- since, until: microseconds since 1970 UTC, of the first abandonment; until is exclusive
-- recovery_window: microseconds: bought so soon after the abandonment counts as recovered
SELECT (recovered_at - first_abandoned_at) / 60000000 AS minutes, COUNT(*) AS carts
FROM carts
WHERE store = :store
  AND first_abandoned_at >= :since AND first_abandoned_at < :until
  AND status = 'recovered'
  AND recovered_at < first_abandoned_at + :recovery_window
  AND carts.id NOT IN (SELECT cart_id FROM enrollments WHERE is_test AND cart_id IS NOT NULL)
GROUP BY minutes
