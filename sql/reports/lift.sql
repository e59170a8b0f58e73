-- Contacts drawn for or against the mails of a sequence, each counted once by its first eligible cart in the period,
-- and how many of these carts were recovered. What each was sent in the end does not matter (intention to treat).
-- since, until: microseconds since 1970 UTC, of the first abandonment; until is exclusive
-- recovery_window: microseconds: bought so soon after the abandonment counts as recovered
-- now: microseconds since 1970 UTC
SELECT
    enrollments.sequence,
    enrollments.arm,
    COUNT(*) AS contacts,
    SUM(CASE WHEN carts.status = 'recovered' AND carts.recovered_at < carts.first_abandoned_at + :recovery_window
             THEN 1 ELSE 0 END) AS converted,
    SUM(CASE WHEN carts.first_abandoned_at + :recovery_window > :now THEN 1 ELSE 0 END) AS immature
FROM carts
JOIN enrollments ON enrollments.cart_id = carts.id
WHERE carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
  AND carts.status <> 'converted'
  AND enrollments.arm <> '' AND NOT enrollments.is_test
  AND NOT EXISTS (
      SELECT 1
      FROM enrollments AS others
      JOIN carts AS earlier ON earlier.id = others.cart_id
      WHERE others.sequence = enrollments.sequence AND others.contact_id = enrollments.contact_id
        AND others.id <> enrollments.id
        AND others.arm <> '' AND NOT others.is_test
        AND earlier.status <> 'converted'
        AND earlier.first_abandoned_at >= :since
        AND (earlier.first_abandoned_at < carts.first_abandoned_at
             OR (earlier.first_abandoned_at = carts.first_abandoned_at AND earlier.id < carts.id)))
GROUP BY enrollments.sequence, enrollments.arm
