-- Abandoned carts of one store, what they were worth in their own currency, and how many of them were recovered: the
-- same carts, so that the rate cannot pass 100 %. A cart that was bought before it was ever abandoned (converted) is
-- none of them. Immature: it may still be recovered, or the time for it is not over.
-- store: text
-- since, until: microseconds since 1970 UTC, of the first abandonment; until is exclusive
-- slot: microseconds: times are told apart by it
-- recovery_window: microseconds: bought so soon after the abandonment counts as recovered
-- now: microseconds since 1970 UTC
SELECT
    channel,
    currency,
    first_abandoned_at / :slot AS slot,
    COUNT(*) AS abandoned,
    SUM(total_minor) AS abandoned_minor,
    SUM(CASE WHEN status = 'recovered' AND recovered_at < first_abandoned_at + :recovery_window
             THEN 1 ELSE 0 END) AS recovered,
    SUM(CASE WHEN first_abandoned_at + :recovery_window > :now THEN 1 ELSE 0 END) AS immature
FROM carts
WHERE store = :store
  AND first_abandoned_at >= :since AND first_abandoned_at < :until
  AND status <> 'converted'
  AND carts.id NOT IN (SELECT cart_id FROM enrollments WHERE is_test AND cart_id IS NOT NULL)
GROUP BY channel, currency, slot
