-- Carts, abandoned carts and recovered carts of one store, by channel.
-- Carts are cohorted by their first activity, abandoned and recovered ones by their first abandonment, so that
-- numerator and denominator of the recovery rate are the same carts. A cart that was bought before it was ever
-- abandoned (converted) is neither. The carts of tests are not counted, here and in the other numbers.
-- store: text
-- since, until: microseconds since 1970 UTC; until is exclusive
-- recovery_window: microseconds: bought so soon after the abandonment counts as recovered
SELECT
    channel,
    SUM(CASE WHEN first_activity_at >= :since AND first_activity_at < :until
              AND (NOT is_empty OR first_abandoned_at IS NOT NULL) THEN 1 ELSE 0 END) AS carts,
    SUM(CASE WHEN first_abandoned_at >= :since AND first_abandoned_at < :until
              AND status <> 'converted' THEN 1 ELSE 0 END) AS abandoned,
    SUM(CASE WHEN first_abandoned_at >= :since AND first_abandoned_at < :until
              AND status = 'recovered' AND recovered_at < first_abandoned_at + :recovery_window
             THEN 1 ELSE 0 END) AS recovered
FROM carts
WHERE store = :store
  AND carts.id NOT IN (SELECT cart_id FROM enrollments WHERE is_test AND cart_id IS NOT NULL)
GROUP BY channel
ORDER BY channel
