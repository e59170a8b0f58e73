-- Contacts drawn for or against the mails of a sequence, each counted once by its first eligible cart in the period,
-- and how many of these carts were recovered. What each was sent in the end does not matter (intention to treat).
-- since, until: microseconds since 1970 UTC, of the first abandonment; until is exclusive
-- recovery_window: microseconds: bought so soon after the abandonment counts as recovered
-- now: microseconds since 1970 UTC
SELECT
    sequence,
    arm,
    COUNT(*) AS contacts,
    SUM(CASE WHEN status = 'recovered' AND recovered_at < first_abandoned_at + :recovery_window
             THEN 1 ELSE 0 END) AS converted,
    SUM(CASE WHEN first_abandoned_at + :recovery_window > :now THEN 1 ELSE 0 END) AS immature
FROM (
    SELECT
        enrollments.sequence,
        enrollments.arm,
        carts.status,
        carts.first_abandoned_at,
        carts.recovered_at,
        ROW_NUMBER() OVER (
            PARTITION BY enrollments.sequence, enrollments.contact_id
            ORDER BY carts.first_abandoned_at, carts.id) AS place
    FROM enrollments
    JOIN carts ON carts.id = enrollments.cart_id
    WHERE enrollments.arm <> ''
      AND NOT enrollments.is_test
      AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
      AND carts.status <> 'converted'
) AS drawn
WHERE place = 1
GROUP BY sequence, arm
