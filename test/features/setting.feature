Feature: Setting and resetting
  A counter can be set to a value, and taken back to the value it started from. With what was read before, a
  change can be made only if nobody else came first.

  Scenario: Setting a counter
    Given a counter "level" at 3
    When I set "level" to 42
    Then the answer says it went from 3 to 42
    And "level" is 42

  Scenario: Setting a counter that is missing makes it
    Given there is no counter "level"
    When I set "level" to -7
    Then the answer says it went from 0 to -7
    And "level" is -7

  Scenario: Setting a missing counter can be refused instead
    Given there is no counter "level"
    When I set "level" to 1 only if it exists
    Then it is refused with NOT_FOUND, reason COUNTER_NOT_FOUND
      | name | level |
    And there is no counter "level"

  Scenario: Resetting a counter
    Given a counter "level" at 42
    When I reset "level"
    Then the answer says it went from 42 to 0
    And "level" is 0

  Scenario: Resetting goes back to the initial value
    Given a counter "credits" with
      | initial | 100 |
    And I decrement "credits" by 30
    When I reset "credits"
    Then the answer says it went from 70 to 100
    And "credits" is 100

  Scenario: A counter may start from another value than its initial one
    Given a counter "credits" with
      | value   | 12  |
      | initial | 100 |
    Then "credits" is 12
    When I reset "credits"
    Then the answer says it went from 12 to 100

  Scenario: Resetting a counter that is missing
    When I reset "nobody"
    Then it is refused with NOT_FOUND, reason COUNTER_NOT_FOUND
      | name | nobody |

  Scenario: Every change has a number of its own
    Given a counter "level" at 0
    When I increment "level"
    Then the answer is change number 2
    When I set "level" to 1
    Then the answer is change number 3
    When I reset "level"
    Then the answer is change number 4

  Rule: A change can depend on what was read

    Background:
      Given a counter "price" at 100
      And I have read "price"

    Scenario: Nobody else has changed it
      When I set "price" to 120 if nobody changed it since
      Then the answer says it went from 100 to 120

    Scenario: Somebody else came first
      Given somebody else increments "price"
      When I set "price" to 120 if nobody changed it since
      Then it is refused with ABORTED, reason ETAG_MISMATCH
      And "price" is still 101

    Scenario: Somebody else came first with the same value
      Given somebody else sets "price" to 100
      When I set "price" to 120 if nobody changed it since
      Then it is refused with ABORTED, reason ETAG_MISMATCH
      And "price" is still 100

    Scenario: Reading again helps
      Given somebody else increments "price"
      And I have read "price"
      When I set "price" to 120 if nobody changed it since
      Then the answer says it went from 101 to 120

    Scenario: Resetting only what was read
      Given somebody else increments "price"
      When I reset "price" if nobody changed it since
      Then it is refused with ABORTED, reason ETAG_MISMATCH
      And "price" is still 101
