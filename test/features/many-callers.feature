Feature: Many callers
  Any number of callers change the same counter at the same time. Every change is counted, one after another, and
  no two see the same value.

  Scenario: Two callers at once lose nothing
    Given a counter "visits" at 0
    When 2 callers at once each increment "visits" 250 times
    Then "visits" is 500
    And each value from 1 to 500 was answered exactly once

  Scenario: Two callers at once on a counter that is missing
    Given there is no counter "visits"
    When 2 callers at once each increment "visits" 250 times
    Then "visits" is 500
    And each value from 1 to 500 was answered exactly once

  Scenario: Ten seats for a hundred callers
    Given a counter "seats" with
      | value   | 10 |
      | minimum | 0  |
    When 100 callers at once each decrement "seats"
    Then 10 of them are answered and 90 are refused with BELOW_MIN
    And "seats" is 0

  Scenario: A read sees every change that was answered before it
    Given a counter "visits" at 0
    When I increment "visits"
    Then somebody else reads that "visits" is 1
