Feature: Settings for everybody
  A quota for each user need not be made for each user: a policy says what counters get whose names begin with a prefix.

  Rule: What a change makes has the settings of its policy

    Scenario: The first mail of somebody new is within the quota of all
      Given it is "2026-01-02T12:00:00Z"
      And a policy for "mails:" with
        | maximum | 5                    |
        | window  | day in Europe/Berlin |
      When I increment "mails:ada" by 5
      And I increment "mails:ada"
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
        | max | 5 |
      And there will be room in "11 hours"
      And "mails:ada" follows "mails:"

    Scenario: The longest prefix wins, as a whole
      Given a policy for "mails:" with
        | maximum | 5 |
        | minimum | 0 |
      And a policy for "mails:staff:" with
        | maximum | 50 |
      When I increment "mails:staff:bob" by 9
      And I decrement "mails:staff:bob" by 19
      Then the answer says it went from 9 to -10
      And "mails:staff:bob" follows "mails:staff:"

    Scenario: A counter that somebody created has its own
      Given a policy for "mails:" with
        | maximum | 5 |
      And a counter "mails:root" with
        | maximum | 1000 |
      When I increment "mails:root" by 999
      Then the answer says it went from 0 to 999
      And "mails:root" follows no policy

    Scenario: Nobody is kept for ever who never comes again
      Given it is "2026-01-02T12:00:00Z"
      And a policy for "mails:" with
        | maximum | 5                    |
        | window  | day in Europe/Berlin |
      When I increment "mails:ada"
      Then "mails:ada" is gone at "2026-01-04T12:00:00Z", unless it changes

  Rule: A policy that is changed holds at once, and nothing is lost

    Background:
      Given a policy for "mails:" with
        | maximum | 10 |
      And I increment "mails:ada" by 8

    Scenario: A raised limit gives room
      When the policy for "mails:" is set to
        | maximum | 20 |
      And I increment "mails:ada" by 12
      Then the answer says it went from 8 to 20

    Scenario: A lowered limit takes nothing away, and lets nothing more in
      When the policy for "mails:" is set to
        | maximum | 5 |
      And I increment "mails:ada"
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
        | value | 8 |
      When I decrement "mails:ada" by 4
      And I increment "mails:ada" by 1
      Then the answer says it went from 4 to 5
      When I increment "mails:ada"
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
        | max | 5 |

    Scenario: Counters that nobody changes have it soon, after a restart as well
      When the policy for "mails:" is set to
        | maximum | 20 |
      And the server is restarted
      Then "mails:ada" has soon
        | maximum | 20 |
      And the policy for "mails:" has come to 1 counter, and has none to come to

    Scenario: A policy that goes leaves its counters as they are
      When the policy for "mails:" is deleted
      And I increment "mails:ada" by 3
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      And I increment "mails:new" by 99
      And "mails:new" follows no policy

    Scenario: A counter may have its own from some day on, and come back
      When I change the settings of "mails:ada"
        | maximum | 100 |
      Then "mails:ada" follows no policy
      When "mails:ada" is told to follow its policy
      Then "mails:ada" follows "mails:"
      And "mails:ada" has
        | maximum | 10 |

    Scenario: The same retry counts once, whatever the policy says by then
      Given I increment "mails:ada" by 2 under the request id "m-1"
      When the policy for "mails:" is set to
        | maximum | 1 |
      And I send the same request again
      Then the answer is the first one, marked as a repeat
      And "mails:ada" is 10
