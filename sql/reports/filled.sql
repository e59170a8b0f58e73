-- Carts of one store with something in them, by their first activity.
-- The carts of tests are not counted, here and in the other numbers.
-- store: text
-- since, until: microseconds since 1970 UTC; until is exclusive
-- slot: microseconds: times are told apart by it
SELECT channel, currency, first_activity_at / :slot AS slot, COUNT(*) AS carts
FROM carts
WHERE store = :store
  AND first_activity_at >= :since AND first_activity_at < :until
  AND (NOT is_empty OR first_abandoned_at IS NOT NULL)
  AND carts.id NOT IN (SELECT cart_id FROM enrollments WHERE is_test AND cart_id IS NOT NULL)
GROUP BY channel, currency, slot
