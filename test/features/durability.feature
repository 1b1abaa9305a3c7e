Feature: Nothing is lost
  An answer is given when the change is on disk. Whatever happens to the server after that, the change stays.

  Scenario: A restart keeps everything
    Given a counter "seats" with
      | value           | 7   |
      | initial         | 2   |
      | minimum         | 0   |
      | maximum         | 10  |
      | description     | Row A |
    And I increment "visits" by 41
    And I increment "visits"
    When the server is restarted
    Then "visits" is 42
    And "seats" has
      | value       | 7     |
      | initial     | 2     |
      | minimum     | 0     |
      | maximum     | 10    |
      | description | Row A |

  Scenario: Bounds hold after a restart
    Given a counter "seats" with
      | value   | 10 |
      | maximum | 10 |
    When the server is restarted
    And I increment "seats"
    Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      | value     | 10 |
      | max       | 10 |
      | requested | 1  |

  Scenario: A request id is remembered over a restart
    Given a counter "orders" at 10
    When I increment "orders" by 5 under the request id "order-1"
    And the server is restarted
    And I send the same request again
    Then the answer is the first one, marked as a repeat
    And "orders" is 15

  Scenario: What was read before a restart still names the counter
    Given a counter "price" at 100
    And I have read "price"
    When the server is restarted
    And I set "price" to 120 if nobody changed it since
    Then the answer says it went from 100 to 120

  Scenario: A server that is killed has lost nothing that it answered
    Given the server runs in a process of its own
    And a counter "orders" at 10
    When I increment "orders" by 5 under the request id "order-1"
    And 2 callers at once each increment "visits" 100 times
    And the server is killed and started again
    Then "orders" is 15
    And "visits" is 200
    When I increment "orders" by 5 under the request id "order-1"
    Then the answer is the first one, marked as a repeat
    And "orders" is 15
