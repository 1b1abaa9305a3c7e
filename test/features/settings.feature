Feature: Changing settings
  What a counter is told when it is made can be changed later: its bounds, its labels, its description. That never
  changes its value, and the value never comes to lie outside its bounds.

  Scenario: Giving a counter a maximum
    Given a counter "seats" at 7
    When I change the settings of "seats"
      | maximum | 8 |
    Then the answer has the counter with
      | value   | 7 |
      | maximum | 8 |
    When I increment "seats" by 2
    Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      | max | 8 |
    And "seats" is still 7

  Scenario: What is not mentioned stays as it was
    Given a counter "seats" with
      | value       | 7     |
      | initial     | 2     |
      | minimum     | 0     |
      | maximum     | 10    |
      | description | Row A |
    When I change the settings of "seats"
      | description | Row B |
    Then "seats" has
      | value       | 7     |
      | initial     | 2     |
      | minimum     | 0     |
      | maximum     | 10    |
      | description | Row B |

  Scenario: Taking a maximum away
    Given a counter "seats" with
      | value   | 10 |
      | minimum | 0  |
      | maximum | 10 |
    When I take away the "max" of "seats"
    And I increment "seats"
    Then the answer says it went from 10 to 11
    And "seats" has
      | minimum | 0 |

  Scenario: A maximum below the value is refused
    Given a counter "seats" at 7
    When I change the settings of "seats"
      | maximum | 6 |
    Then it is refused with OUT_OF_RANGE, reason VALUE_OUTSIDE_BOUNDS
      | field     | value |
      | requested | 7     |
      | max       | 6     |
    When I increment "seats"
    Then the answer says it went from 7 to 8

  Scenario: A minimum above the initial value is refused
    Given a counter "seats" at 7
    When I change the settings of "seats"
      | minimum | 1 |
    Then it is refused with OUT_OF_RANGE, reason VALUE_OUTSIDE_BOUNDS
      | field     | initial |
      | requested | 0       |
      | min       | 1       |
    When I change the settings of "seats"
      | minimum | 1 |
      | initial | 5 |
    And I reset "seats"
    Then the answer says it went from 7 to 5

  Scenario: Bounds upside down
    Given a counter "seats" at 7
    When I change the settings of "seats"
      | minimum | 9 |
      | maximum | 8 |
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
      | field | min |

  Scenario: From refusing to stopping at a bound
    Given a counter "level" with
      | value   | 9  |
      | maximum | 10 |
    When I change the settings of "level"
      | at a bound | stop |
    And I increment "level" by 5
    Then the answer says it went from 9 to 10

  Scenario: From now on it never goes down
    Given a counter "sold" at 7
    When I change the settings of "sold"
      | never goes down | yes |
    And I decrement "sold"
    Then it is refused with FAILED_PRECONDITION, reason MONOTONIC

  Scenario: Naming no setting
    Given a counter "seats" at 7
    When I change no settings of "seats"
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
      | field | update_mask |

  Scenario: The settings of a counter that is missing
    When I change the settings of "nobody"
      | maximum | 6 |
    Then it is refused with NOT_FOUND, reason COUNTER_NOT_FOUND
      | name | nobody |

  Scenario: A change of settings is no change of the value
    Given a counter "level" at 1
    And I have read "level"
    When I change the settings of "level"
      | maximum | 99 |
    And I set "level" to 50 if nobody changed it since
    Then the answer says it went from 1 to 50
    And the answer is change number 2

  Rule: Changing settings can depend on what was read

    Background:
      Given a counter "seats" at 7
      And I have read "seats"

    Scenario: Nobody else has changed them, whatever was counted
      Given somebody else increments "seats"
      When I change the settings of "seats" if nobody changed them since
        | maximum | 10 |
      Then the answer has the counter with
        | value   | 8  |
        | maximum | 10 |

    Scenario: Somebody else came first
      Given somebody else changes the settings of "seats"
        | maximum | 8 |
      When I change the settings of "seats" if nobody changed them since
        | maximum | 10 |
      Then it is refused with ABORTED, reason ETAG_MISMATCH
      And "seats" has
        | maximum | 8 |

  Rule: Under a request id, settings are changed once

    Scenario: The answer is the counter as it was then
      Given a counter "seats" at 7
      When I change the settings of "seats" under the request id "more-seats"
        | maximum | 10 |
      And somebody else increments "seats"
      And somebody else changes the settings of "seats"
        | maximum | 8 |
      And I send the same request again
      Then the change of settings is marked as a repeat
      And the answer has the counter with
        | value   | 7  |
        | maximum | 10 |
      And "seats" has
        | value   | 8 |
        | maximum | 8 |

    Scenario: A restart does not change that
      Given a counter "seats" at 7
      When I change the settings of "seats" under the request id "more-seats"
        | maximum     | 10    |
        | description | Row B |
      And the server is restarted
      And I send the same request again
      Then the change of settings is marked as a repeat
      And the answer has the counter with
        | maximum     | 10    |
        | description | Row B |

    Scenario: For other settings the request id is refused
      Given a counter "seats" at 7
      When I change the settings of "seats" under the request id "more-seats"
        | maximum | 10 |
      And I change the settings of "seats" under the request id "more-seats"
        | maximum | 11 |
      Then it is refused with INVALID_ARGUMENT, reason REQUEST_ID_REUSED
        | field | max |
