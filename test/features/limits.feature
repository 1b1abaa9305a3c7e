Feature: Limits
  How much of something may still be used: a take asks for some of it, and is answered whether there was room.

  Rule: A take has all of its amount, or nothing

    Background:
      Given it is "2026-03-28T20:00:00+01:00"
      And a counter "mails" with
        | maximum | 5                    |
        | window  | day in Europe/Berlin |

    Scenario: What there is room for is taken
      When I take 3 from "mails"
      Then it is allowed, and 2 are left
      And "mails" is 3

    Scenario: What there is no room for is answered, takes nothing, and it is said when to come again
      Given I take 3 from "mails"
      When I take 3 from "mails"
      Then it is not allowed, and 2 are left
      And there would be room in "4 hours"
      And "mails" is 3

    Scenario: More than there ever is does not help to wait for
      When I take 6 from "mails"
      Then it is not allowed, and 5 are left
      And waiting does not help

    Scenario: Five in each local day, whatever the clocks do
      When it is "2026-03-28T23:59:59.999+01:00"
      And I take 5 from "mails"
      Then it is allowed, and 0 are left
      When I take 1 from "mails"
      Then it is not allowed, and 0 are left
      And there would be room in "1 millisecond"
      When "1 millisecond" passes
      And I take 5 from "mails"
      Then it is allowed, and 0 are left
      When I take 1 from "mails"
      Then it is not allowed, and 0 are left
      And there would be room in "23 hours"

    Scenario: Asking takes nothing
      When I ask for 5 from "mails"
      Then it is allowed, and 5 are left
      When I ask for 6 from "mails"
      Then it is not allowed, and 5 are left
      And "mails" is 0

  Rule: A take is made once under its request id, if it was allowed

    Background:
      Given it is "2026-03-28T20:00:00+01:00"
      And a counter "mails" with
        | maximum | 5                    |
        | window  | day in Europe/Berlin |

    Scenario: Sent again after midnight, it is answered as before it
      Given I take 2 from "mails" under the request id "m-1"
      When it is "2026-03-29T00:00:01+01:00"
      And I take 2 from "mails" under the request id "m-1"
      Then it is allowed, as it was before
      And "mails" is 0

    Scenario: One that was refused is judged anew, also after a restart
      Given I take 4 from "mails"
      When I take 2 from "mails" under the request id "m-2"
      Then it is not allowed, and 1 is left
      When the server is restarted
      And it is "2026-03-29T00:00:01+01:00"
      And I take 2 from "mails" under the request id "m-2"
      Then it is allowed, and 3 are left

  Rule: Takes from several limits stand together

    Scenario: One without room leaves the others as they were
      Given a counter "user" with
        | maximum | 9 |
      And a counter "address" with
        | maximum | 1 |
      When I take from "user" and "address"
      Then it is allowed
      When I take from "user" and "address"
      Then it is not allowed, for "address"
      And "user" is 1

  Rule: A limit is made by the take, or is none

    Scenario: The first take makes the quota
      When I take 2 from "calls", which may be missing, with
        | maximum | 3 |
      Then it is allowed, and 1 is left
      And "calls" has
        | maximum | 3 |

    Scenario: A misspelt name is no endless limit
      When I take 1 from "cals"
      Then it is refused with NOT_FOUND, reason LIMIT_NOT_FOUND
        | name | cals |
      And there is no counter "cals"

  Rule: What is not used can be given back

    Background:
      Given it is "2026-03-28T20:00:00+00:00"
      And a counter "tokens" with
        | maximum | 10000      |
        | window  | day in UTC |

    Scenario: An estimate, and the rest of it
      Given I take 4000 from "tokens"
      When I give back 2750 to "tokens"
      Then 2750 are given back, and 8750 are left

    Scenario: Never more than is used
      Given I take 1000 from "tokens"
      When I give back 4000 to "tokens"
      Then 1000 are given back, and 10000 are left

    Scenario: Nothing to the next day's quota
      Given I take 4000 from "tokens"
      When it is "2026-03-29T00:00:01+00:00"
      And I take 500 from "tokens"
      And I give back 3000 to "tokens" of the window from "2026-03-28T00:00:00+00:00"
      Then 0 are given back, and 9500 are left

  Rule: A limit can be tried out before it holds

    Scenario: What there is no room for is allowed all the same, which is said, and takes nothing
      Given a policy for "trial:" that is only tried out, with
        | maximum | 2 |
      When I take 2 from "trial:ada"
      Then it is allowed, and 0 are left
      When I take 1 from "trial:ada"
      Then it is allowed, though there was no room
      And "trial:ada" is 2
      When the policy for "trial:" is set to
        | maximum | 2 |
      And I take 1 from "trial:ada"
      Then it is not allowed, and 0 are left

    Scenario: It keeps no limit beside it from holding
      Given a policy for "trial:" that is only tried out, with
        | maximum | 1 |
      And a counter "address" with
        | maximum | 2 |
      When I take from "trial:ada" and "address"
      And I take from "trial:ada" and "address"
      Then it is allowed
      And "trial:ada" is 1
      And "address" is 2
      When I take from "trial:ada" and "address"
      Then it is not allowed, for "address"

  Rule: Envoy asks about the requests that it has

    Scenario: Three of a user a day, and nobody has made a limit for her
      Given it is "2026-03-28T20:00:00+01:00"
      And a policy for "edge/user/" with
        | maximum | 3                    |
        | window  | day in Europe/Berlin |
      When Envoy asks in "edge" about 3 requests with "user" "ada"
      Then it is to let them through, and 0 are left
      When Envoy asks in "edge" about 1 request with "user" "ada"
      Then it is to refuse them, and there are more in "4 hours"
      And "edge/user/ada" is 3

    Scenario: Where nobody has set a limit everything passes, and is not counted
      When Envoy asks in "edge" about 5 requests with "path" "/"
      Then it is to let them through
      And there is no counter "edge/path/%2F"
