-- What became of the messages accepted for carts of one store first abandoned in the period, and of those to contacts
-- without a cart that were sent in it: each message counts once a column. told_delivered: the provider said so, and not
-- that it bounced; delivered: that, or something came back that proves it (an open, a click, a complaint, an
-- unsubscription). A click is counted as a likely human's, and beside it whoever it was; an open likewise.
-- "unsubscribed" is whoever said so by the mail: its link, or the provider's.
-- store: text
-- since, until: microseconds since 1970 UTC, of the first abandonment, or of the sending without one; until is exclusive
-- human_below: a click that scores less is a likely human's
-- include_outbox: true: messages that only went to the outbox count too
SELECT
    mails.sequence,
    mails.step,
    mails.transport,
    COUNT(*) AS accepted,
    SUM(CASE WHEN told.arrived = 1 OR told.delivered = 1 AND told.bounced = 0 THEN 1 ELSE 0 END) AS delivered,
    SUM(CASE WHEN told.delivered = 1 AND told.bounced = 0 THEN 1 ELSE 0 END) AS told_delivered,
    SUM(COALESCE(told.bounced, 0)) AS bounced,
    SUM(COALESCE(told.complained, 0)) AS complained,
    SUM(COALESCE(told.unsubscribed, 0)) AS unsubscribed,
    SUM(COALESCE(told.opened, 0)) AS opened,
    SUM(CASE WHEN told.opened_by_machine = 1 AND told.opened = 0 THEN 1 ELSE 0 END) AS opened_by_machine,
    SUM(COALESCE(told.clicked, 0)) AS clicked,
    SUM(COALESCE(told.clicked_raw, 0)) AS clicked_raw
FROM (
    SELECT messages.id, enrollments.sequence, messages.step, messages.transport
    FROM carts
    JOIN enrollments ON enrollments.cart_id = carts.id
    JOIN messages ON messages.enrollment_id = enrollments.id
    WHERE carts.store = :store
      AND carts.first_abandoned_at >= :since AND carts.first_abandoned_at < :until
      AND messages.state = 'accepted' AND NOT messages.is_test
      AND (messages.delivers OR :include_outbox)
    UNION ALL
    SELECT messages.id, enrollments.sequence, messages.step, messages.transport
    FROM enrollments
    JOIN messages ON messages.enrollment_id = enrollments.id
    WHERE enrollments.cart_id IS NULL AND enrollments.store = :store
      AND messages.sent_at >= :since AND messages.sent_at < :until
      AND messages.state = 'accepted' AND NOT messages.is_test
      AND (messages.delivers OR :include_outbox)
) AS mails
LEFT JOIN (
    SELECT
        message_id,
        MAX(CASE WHEN kind = 'delivered' THEN 1 ELSE 0 END) AS delivered,
        MAX(CASE WHEN kind IN ('open', 'click', 'spamreport', 'unsubscribe', 'group_unsubscribe')
                 THEN 1 ELSE 0 END) AS arrived,
        MAX(CASE WHEN kind IN ('bounce', 'dropped') THEN 1 ELSE 0 END) AS bounced,
        MAX(CASE WHEN kind = 'spamreport' THEN 1 ELSE 0 END) AS complained,
        MAX(CASE WHEN kind IN ('unsubscribe', 'group_unsubscribe') THEN 1 ELSE 0 END) AS unsubscribed,
        MAX(CASE WHEN kind = 'open' AND detail <> 'machine' THEN 1 ELSE 0 END) AS opened,
        MAX(CASE WHEN kind = 'open' AND detail = 'machine' THEN 1 ELSE 0 END) AS opened_by_machine,
        MAX(CASE WHEN kind = 'click' AND scanner_score < :human_below THEN 1 ELSE 0 END) AS clicked,
        MAX(CASE WHEN kind = 'click' THEN 1 ELSE 0 END) AS clicked_raw
    FROM events
    WHERE message_id IS NOT NULL
    GROUP BY message_id
) AS told ON told.message_id = mails.id
GROUP BY mails.sequence, mails.step, mails.transport
