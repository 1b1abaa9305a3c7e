Feature: Bounds
  A counter can have a lowest and a highest value. It never leaves them: what would take it outside is refused,
  with the numbers, or stops at the bound if the counter was made to.

  Scenario: A counter at its maximum is incremented
    Given a counter "seats" with
      | value   | 10 |
      | maximum | 10 |
    When I increment "seats"
    Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      | value     | 10 |
      | max       | 10 |
      | requested | 1  |
    And "seats" is still 10

  Scenario: A counter at its minimum is decremented
    Given a counter "stock" with
      | value   | 0 |
      | minimum | 0 |
    When I decrement "stock"
    Then it is refused with OUT_OF_RANGE, reason BELOW_MIN
      | value     | 0 |
      | min       | 0 |
      | requested | 1 |
    And "stock" is still 0

  Scenario: All of an amount fits, or none of it is counted
    Given a counter "seats" with
      | value   | 8  |
      | maximum | 10 |
    When I increment "seats" by 3
    Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      | value     | 8  |
      | max       | 10 |
      | requested | 3  |
    And "seats" is still 8

  Scenario: Up to the very bound
    Given a counter "seats" with
      | value   | 8  |
      | maximum | 10 |
    When I increment "seats" by 2
    Then the answer says it went from 8 to 10

  Scenario: The answer says how much room is left
    Given a counter "seats" with
      | value   | 3  |
      | minimum | 0  |
      | maximum | 10 |
    When I increment "seats" by 4
    Then the answer says there is room for 3 up and 7 down

  Scenario: Bounds are given when a counter is made
    When I create a counter "temperature" with
      | value   | 21  |
      | minimum | -40 |
      | maximum | 60  |
    Then "temperature" has
      | value   | 21  |
      | minimum | -40 |
      | maximum | 60  |

  Scenario: A counter cannot start outside its bounds
    When I create a counter "seats" with
      | value   | 11 |
      | maximum | 10 |
    Then it is refused with OUT_OF_RANGE, reason VALUE_OUTSIDE_BOUNDS
      | field     | value |
      | requested | 11    |
      | max       | 10    |
    And there is no counter "seats"

  Scenario: The value to reset to lies within the bounds too
    When I create a counter "seats" with
      | value   | 5  |
      | minimum | 1  |
      | maximum | 10 |
    Then it is refused with OUT_OF_RANGE, reason VALUE_OUTSIDE_BOUNDS
      | field     | initial |
      | requested | 0       |
      | min       | 1       |
      | max       | 10      |

  Scenario: A minimum above the maximum is refused
    When I create a counter "seats" with
      | minimum | 10 |
      | maximum | 1  |
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD

  Scenario: A counter is made once
    Given a counter "seats" at 4
    When I create a counter "seats" with
      | value | 100 |
    Then it is refused with ALREADY_EXISTS, reason COUNTER_EXISTS
      | name | seats |
    And "seats" is still 4

  Scenario: Setting a value outside the bounds
    Given a counter "seats" with
      | value   | 4  |
      | minimum | 0  |
      | maximum | 10 |
    When I set "seats" to 11
    Then it is refused with OUT_OF_RANGE, reason VALUE_OUTSIDE_BOUNDS
      | requested | 11 |
      | min       | 0  |
      | max       | 10 |
    And "seats" is still 4

  Rule: A counter that clamps stops at the bound

    Background:
      Given a counter "volume" with
        | value      | 8    |
        | minimum    | 0    |
        | maximum    | 10   |
        | at a bound | stop |

    Scenario: Going up, it stops at the maximum
      When I increment "volume" by 5
      Then the answer says it went from 8 to 10
      And "volume" is 10

    Scenario: Going down, it stops at the minimum
      When I decrement "volume" by 20
      Then the answer says it went from 8 to 0
      And "volume" is 0

    Scenario: At the bound nothing moves, and that is no error
      Given I increment "volume" by 2
      When I increment "volume"
      Then the answer says it went from 10 to 10

    Scenario: Setting a value outside the bounds is refused all the same
      When I set "volume" to 11
      Then it is refused with OUT_OF_RANGE, reason VALUE_OUTSIDE_BOUNDS
        | requested | 11 |
        | min       | 0  |
        | max       | 10 |
      And "volume" is still 8

  Rule: A monotonic counter never goes down

    Background:
      Given a counter "sold" with
        | value           | 100 |
        | never goes down | yes |

    Scenario: It goes up
      When I increment "sold" by 5
      Then the answer says it went from 100 to 105

    Scenario: It is not decremented
      When I decrement "sold"
      Then it is refused with FAILED_PRECONDITION, reason MONOTONIC
        | value | 100 |
      And "sold" is still 100

    Scenario: It is not set to a lower value
      When I set "sold" to 99
      Then it is refused with FAILED_PRECONDITION, reason MONOTONIC
        | value     | 100 |
        | requested | 99  |
      And "sold" is still 100

    Scenario: It is not reset
      When I reset "sold"
      Then it is refused with FAILED_PRECONDITION, reason MONOTONIC
        | value     | 100 |
        | requested | 0   |
      And "sold" is still 100

    Scenario: It is set to a higher value
      When I set "sold" to 250
      Then the answer says it went from 100 to 250
